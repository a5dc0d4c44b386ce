// What the tools of others make of our objects: kstatus by its own code, as Helm 4 and Flux run it, and Argo CD by the health
// checks of deploy/gitops in the interpreter that Argo CD runs them in. e2e/test.d/gitops.sh builds it.
//
//	verdicts CONFIGMAP OBJECT.json...
//
// prints for each object its file's name, kstatus's verdict, Argo CD's, and what Argo CD would show as the reason.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// A health check may take this long in Argo CD.
const limit = time.Second

// The ConfigMap argocd-cm, or a patch of it.
type settings struct {
	Data map[string]string `json:"data"`
}

type health struct{ status, message string }

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: verdicts CONFIGMAP OBJECT.json...")
	}
	checks, err := read(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range os.Args[2:] {
		if err := tell(checks, path); err != nil {
			log.Fatalf("%s: %v", path, err)
		}
	}
}

func read(path string) (settings, error) {
	var found settings
	text, err := os.ReadFile(path)
	if err != nil {
		return found, err
	}
	return found, yaml.UnmarshalStrict(text, &struct {
		*settings
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
	}{settings: &found})
}

func tell(checks settings, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil {
		return err
	}
	verdict, err := status.Compute(object)
	if err != nil {
		return err
	}
	kind := object.GroupVersionKind()
	script, ok := checks.Data[fmt.Sprintf("resource.customizations.health.%s_%s", kind.Group, kind.Kind)]
	if !ok {
		return fmt.Errorf("there is no health check for %s", kind)
	}
	found, err := run(script, object.Object)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(filepath.Base(path), ".json")
	fmt.Println(strings.Join([]string{name, verdict.Status.String(), found.status, found.message}, "\t"))
	return nil
}

// Argo CD opens no more of Lua's library than this (and a part of os) unless it is told to.
func run(script string, object map[string]any) (health, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		state.Push(state.NewFunction(open))
		state.Push(lua.LString(name))
		state.Call(1, 0)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return health{}, err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return health{}, errors.New("the health check returned no table")
	}
	return health{lua.LVAsString(table.RawGetString("status")), lua.LVAsString(table.RawGetString("message"))}, nil
}

func value(state *lua.LState, found any) lua.LValue {
	switch found := found.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, entry := range found {
			table.RawSetString(key, value(state, entry))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, entry := range found {
			table.Append(value(state, entry))
		}
		return table
	case string:
		return lua.LString(found)
	case bool:
		return lua.LBool(found)
	case int64:
		return lua.LNumber(found)
	case float64:
		return lua.LNumber(found)
	case json.Number:
		number, _ := found.Float64()
		return lua.LNumber(number)
	default:
		return lua.LNil
	}
}

//! Which names a template uses, walked over its syntax tree.
//!
//! The engine's own `undeclared_variables` knows no positions, does not look into slices and block filters, and treats what an
//! `if` sets as unknown after it; hence this walk.

use std::collections::BTreeSet;

use minijinja::{
    Environment, context,
    machinery::{
        Span,
        ast::{CallArg, Expr, ForLoop, Macro, Stmt},
    },
};

use super::{Problem, position};

const UNSUPPORTED: &str = "prompts cannot use other templates, nor leave loops";

/// Finds names that mean nothing.
pub(super) fn check(
    tree: &Stmt<'_>,
    source: &str,
    declared: &BTreeSet<&str>,
    engine: &Environment<'_>,
) -> Vec<Problem> {
    let mut known: BTreeSet<String> = declared.iter().map(|&name| name.to_owned()).collect();
    known.extend(engine.globals().map(|(name, _)| name.to_owned()));
    let mut walk = Walk {
        source,
        engine,
        scopes: vec![known],
        reported: BTreeSet::new(),
        problems: Vec::new(),
    };
    walk.statement(tree);
    walk.problems
}

struct Walk<'a> {
    source: &'a str,
    engine: &'a Environment<'a>,
    /// The outermost first.
    scopes: Vec<BTreeSet<String>>,
    reported: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn report(&mut self, span: Span, message: String) {
        if self.reported.insert(message.clone()) {
            let position = Some(position(self.source, span.start_offset as usize));
            self.problems.push(Problem { position, message });
        }
    }

    fn scoped(&mut self, walk: impl FnOnce(&mut Self)) {
        self.scopes.push(BTreeSet::new());
        walk(self);
        self.scopes.pop();
    }

    fn assign_name(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned());
        }
    }

    /// What a `for`, `set` or `with` binds. The target `namespace.field` uses its namespace.
    fn assign(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(variable) => self.assign_name(variable.id),
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item)),
            other => self.expression(other),
        }
    }

    fn statements(&mut self, statements: &[Stmt<'_>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::ForLoop(each) => self.for_loop(each),
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                self.statements(&condition.true_body);
                self.statements(&condition.false_body);
            }
            Stmt::WithBlock(with) => self.scoped(|walk| {
                for (target, value) in &with.assignments {
                    walk.expression(value);
                    walk.assign(target);
                }
                walk.statements(&with.body);
            }),
            Stmt::Set(set) => {
                self.expression(&set.expr);
                self.assign(&set.target);
            }
            Stmt::SetBlock(set) => {
                self.scoped(|walk| walk.statements(&set.body));
                self.optional(set.filter.as_ref());
                self.assign(&set.target);
            }
            Stmt::AutoEscape(escape) => {
                self.expression(&escape.enabled);
                self.scoped(|walk| walk.statements(&escape.body));
            }
            Stmt::FilterBlock(filter) => {
                self.expression(&filter.filter);
                self.scoped(|walk| walk.statements(&filter.body));
            }
            Stmt::Macro(declared) => {
                self.assign_name(declared.name);
                self.declared_macro(declared);
            }
            Stmt::CallBlock(block) => {
                self.expression(&block.call.expr);
                self.arguments(&block.call.args);
                self.declared_macro(&block.macro_decl);
            }
            _ => self.other_statement(statement),
        }
    }

    /// The engine has more statements when another crate turns its features on; prompts do not.
    fn other_statement(&mut self, statement: &Stmt<'_>) {
        if let Stmt::Do(call) = statement {
            self.expression(&call.call.expr);
            self.arguments(&call.call.args);
        } else if !matches!(statement, Stmt::EmitRaw(_)) {
            self.problems.push(Problem {
                position: None,
                message: UNSUPPORTED.to_owned(),
            });
        }
    }

    fn for_loop(&mut self, each: &ForLoop<'_>) {
        self.expression(&each.iter);
        self.scoped(|walk| {
            walk.assign_name("loop");
            walk.assign(&each.target);
            walk.optional(each.filter_expr.as_ref());
            walk.statements(&each.body);
        });
        self.scoped(|walk| walk.statements(&each.else_body));
    }

    fn declared_macro(&mut self, declared: &Macro<'_>) {
        self.scoped(|walk| {
            walk.assign_name("caller");
            for default in &declared.defaults {
                walk.expression(default);
            }
            for argument in &declared.args {
                walk.assign(argument);
            }
            walk.statements(&declared.body);
        });
    }

    fn optional(&mut self, expression: Option<&Expr<'_>>) {
        if let Some(expression) = expression {
            self.expression(expression);
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.expression(value),
            }
        }
    }

    fn all(&mut self, expressions: &[Expr<'_>]) {
        for expression in expressions {
            self.expression(expression);
        }
    }

    fn expression(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::Const(_) => {}
            Expr::Var(variable) => self.variable(variable.id, variable.span()),
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                for bound in [&slice.start, &slice.stop, &slice.step] {
                    self.optional(bound.as_ref());
                }
            }
            Expr::UnaryOp(operation) => self.expression(&operation.expr),
            Expr::BinOp(operation) => {
                self.expression(&operation.left);
                self.expression(&operation.right);
            }
            Expr::Compare(comparison) => {
                self.expression(&comparison.expr);
                for operand in &comparison.ops {
                    self.expression(&operand.expr);
                }
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr);
                self.expression(&choice.true_expr);
                self.optional(choice.false_expr.as_ref());
            }
            Expr::Filter(filter) => {
                self.optional(filter.expr.as_ref());
                self.built_in("filter", filter.name, filter.span());
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.expression(&test.expr);
                self.built_in("test", test.name, test.span());
                self.arguments(&test.args);
            }
            Expr::GetAttr(attribute) => self.expression(&attribute.expr),
            Expr::GetItem(item) => {
                self.expression(&item.expr);
                self.expression(&item.subscript_expr);
            }
            Expr::Call(call) => {
                self.callee(&call.expr);
                self.arguments(&call.args);
            }
            Expr::List(list) => self.all(&list.items),
            Expr::Tuple(tuple) => self.all(&tuple.items),
            Expr::Map(map) => {
                self.all(&map.keys);
                self.all(&map.values);
            }
        }
    }

    fn variable(&mut self, name: &str, span: Span) {
        if !self.scopes.iter().any(|scope| scope.contains(name)) {
            self.report(span, format!("variable `{name}` is not declared in variables"));
        }
    }

    fn built_in(&mut self, what: &str, name: &str, span: Span) {
        let question = if what == "filter" {
            "name is filter"
        } else {
            "name is test"
        };
        let known = self
            .engine
            .compile_expression(question)
            .and_then(|asked| asked.eval(context! { name => name }));
        if !known.is_ok_and(|answer| answer.is_true()) {
            self.report(span, format!("there is no {what} `{name}`"));
        }
    }

    /// Only the engine's own `loop` has methods.
    fn callee(&mut self, callee: &Expr<'_>) {
        self.expression(callee);
        let Expr::GetAttr(attribute) = callee else { return };
        if !matches!(&attribute.expr, Expr::Var(variable) if variable.id == "loop") {
            let name = attribute.name;
            let message = format!("values have no methods such as `{name}()`; use a filter, for instance `| upper`");
            self.report(attribute.expr.span(), message);
        }
    }
}

-- Health of a Provider, PromptTemplate or Route: healthy once every ready gateway serves it as it is written,
-- degraded where only a person can mend it, and progressing while something may still come by itself.
local health = { status = "Progressing", message = "waiting for the operator" }
if obj.metadata.deletionTimestamp ~= nil then
  health.message = "being deleted"
  return health
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end
local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end
local function is(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end
if is("Reconciling") then
  health.message = conditions.Reconciling.message
elseif is("Stalled") then
  health.status = "Degraded"
  health.message = conditions.Stalled.message
elseif conditions.Ready ~= nil then
  health.message = conditions.Ready.message
  if is("Ready") then
    health.status = "Healthy"
  end
end
return health

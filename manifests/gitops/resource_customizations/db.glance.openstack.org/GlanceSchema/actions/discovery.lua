-- What can be done about a GlanceSchema, for Argo CD.
local suspended = obj.spec.suspend == true
local ready = false
local waits = false
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.type == "Ready" then
    ready = condition.status == "True"
    local newest = condition.observedGeneration == obj.metadata.generation
    waits = condition.reason == "AwaitingApproval" and newest and obj.status.plan ~= nil
  end
end

return {
  -- Nothing is left to be tried, or nothing may be.
  retry = { disabled = suspended or ready },
  observe = { disabled = false },
  approve = { disabled = not waits },
  suspend = { disabled = suspended },
  resume = { disabled = not suspended }
}

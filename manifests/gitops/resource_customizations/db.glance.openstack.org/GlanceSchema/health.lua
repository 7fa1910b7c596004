-- The health of a GlanceSchema, for Argo CD. It needs none of Lua's libraries.
-- A deletion needs no line here: Argo CD itself shows it as Progressing.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the operator to read the newest spec." }
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end
local ready = found.Ready or { message = "Waiting for the condition Ready." }
local message = ready.message
if ready.reason ~= nil then
  message = ready.reason .. ": " .. message
end

if found.Stalled ~= nil and found.Stalled.status == "True" then
  return { status = "Degraded", message = message }
end
if ready.status == "True" then
  return { status = "Healthy", message = message }
end
if ready.reason == "Suspended" or ready.reason == "AwaitingApproval" then
  return { status = "Suspended", message = message }
end
-- Reconciling: at work, or waiting for the next attempt, which comes by itself.
return { status = "Progressing", message = message }

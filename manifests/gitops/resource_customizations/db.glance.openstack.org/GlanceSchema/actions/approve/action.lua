-- Lets the migration run whose plan waits, and no other.
obj.spec.approvedPlan = obj.status.plan.hash
return obj

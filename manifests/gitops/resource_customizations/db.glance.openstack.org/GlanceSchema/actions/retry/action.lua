-- Has a migration tried again that failed for good, or now in the place of its next attempt.
-- Any new value does it, and the resource version is one each time.
local annotations = obj.metadata.annotations or {}
annotations["db.glance.openstack.org/retry"] = "by Argo CD at resource version " .. obj.metadata.resourceVersion
obj.metadata.annotations = annotations
return obj

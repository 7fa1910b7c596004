-- Has the database read again, as after a restore.
-- Any new value does it, and the resource version is one each time.
local annotations = obj.metadata.annotations or {}
annotations["db.glance.openstack.org/observe"] = "by Argo CD at resource version " .. obj.metadata.resourceVersion
obj.metadata.annotations = annotations
return obj

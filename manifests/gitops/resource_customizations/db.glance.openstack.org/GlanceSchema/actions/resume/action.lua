-- Migrations may start again.
obj.spec.suspend = false
return obj

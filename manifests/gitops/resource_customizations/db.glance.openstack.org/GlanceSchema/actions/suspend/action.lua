-- No migration is started any more; one that runs is left to finish.
obj.spec.suspend = true
return obj

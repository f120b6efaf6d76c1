-- Notes the layout of a store that has none.
begin()
return 1

/// <reference path="../pb_data/types.d.ts" />
// A migration: the collection that a message is a record of, open to everybody.
migrate((app) => {
  app.save(new Collection({
    type: "base",
    name: "messages",
    listRule: "",
    viewRule: "",
    createRule: "",
    fields: [
      { name: "run", type: "text" },
      { name: "seq", type: "number" },
      { name: "time", type: "number" },
      { name: "with", type: "text" },
    ],
  }))
})

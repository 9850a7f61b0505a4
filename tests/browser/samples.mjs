// Changes such as databases make them: every type of Extended JSON, every operation.

const id = (hex) => ({ $oid: hex });
const date = (text) => ({ $date: text });

export const ORDER = {
  _id: id("65a2f0c2f7f7f01e5c000001"),
  customer: { name: "Ada Lovelace", email: "ada@example.org", since: date("2019-04-02T08:00:00Z") },
  status: "paid",
  lines: [
    { sku: "COF-1000", title: "Coffee beans, 1 kg", quantity: 2, price: { $numberDecimal: "18.50" } },
    { sku: "TEA-0100", title: "Green tea, 100 g", quantity: 1, price: { $numberDecimal: "7.25" } },
  ],
  total: { $numberDecimal: "44.25" },
  note: null,
  gift: false,
  placed: date("2026-11-21T11:13:16.626Z"),
};

export const ALL_TYPES = {
  _id: id("65a2f0c2f7f7f01e5c00abcd"),
  text: "plain, with “quotes” and a\nline break",
  number: 42, fraction: 0.1, boolean: true, nothing: null,
  long: { $numberLong: "9007199254740993" },
  decimal: { $numberDecimal: "0.10000000000000000000000000000001" },
  notANumber: { $numberDouble: "NaN" },
  date: date("2024-01-13T15:56:51.123Z"),
  farDate: { $date: { $numberLong: "-62135596800000" } },
  timestamp: { $timestamp: { t: 1705161411, i: 3 } },
  uuid: { $binary: { base64: "c//SZESzTGmQ6OfR38A11A==", subType: "04" } },
  binary: { $binary: { base64: "aGVsbG8gd29ybGQ=", subType: "00" } },
  regex: { $regularExpression: { pattern: "^shop\\.", options: "i" } },
  min: { $minKey: 1 }, max: { $maxKey: 1 },
  code: { $code: "function () { return 1; }" },
  reference: { $ref: "orders", $id: id("65a2f0c2f7f7f01e5c000001"), $db: "shop" },
  empty: {}, none: [],
  nested: { a: { b: { c: [1, 2, { d: "deep" }] } } },
};

const base = (operationType, extra = {}, coll = "orders") => ({
  _id: { _data: `8265A2F0C2${operationType}${coll}` },
  operationType,
  clusterTime: { $timestamp: { t: 1705161411, i: 1 } },
  wallTime: date(new Date().toISOString()),
  ns: { db: "shop", coll },
  ...extra,
});

const key = { documentKey: { _id: ORDER._id } };

/** Newest last, as they come. */
export const SAMPLES = [
  base("shardCollection", { operationDescription: { shardKey: { _id: 1 }, unique: false } }),
  base("rename", { to: { db: "shop", coll: "orders_2026" } }),
  base("drop", {}, "old_orders"),
  base("insert", { documentKey: { _id: ALL_TYPES._id }, fullDocument: ALL_TYPES }, "types"),
  base("leave", key),
  base("delete", { ...key, fullDocumentBeforeChange: { _id: ORDER._id, status: "cancelled", total: { $numberDecimal: "44.25" } } }),
  base("update", { documentKey: { id: 7, shop: "a,b" }, fullDocument: { id: 7, shop: "a,b", stock: 11 }, updateDescription: { updatedFields: { stock: 11 } },
    unavailable: ["fullDocument.manual", "fullDocument.picture"] }, "stock"),
  base("update", { ...key, updateDescription: {
    updatedFields: { status: "shipped", "lines.0.quantity": 3, address: { street: "12 St James's Square", city: "London", postcode: "SW1Y 4JH", country: "GB", floor: 2 } },
    removedFields: ["note"], truncatedArrays: [{ field: "history", newSize: 10 }] } }),
  base("replace", { ...key, fullDocument: { ...ORDER, status: "packed" }, fullDocumentBeforeChange: ORDER }),
  base("update", { ...key,
    fullDocumentBeforeChange: ORDER,
    fullDocument: { ...ORDER, status: "shipped", total: { $numberDecimal: "62.75" }, points: 310, shipped: date("2026-11-21T12:00:00Z"),
      lines: [{ ...ORDER.lines[0], quantity: 3 }, ORDER.lines[1], { sku: "NOTE-1", title: "Notebook", quantity: 1 }], note: "Please leave it with the neighbours at number 14; the bell does not work." },
    updateDescription: { updatedFields: { status: "shipped" }, removedFields: [] } }),
  base("insert", { ...key, fullDocument: ORDER }),
];

export const GAPS = [
  { id: "abcdefgh-1", scope: "source", source: "shop", reason: "the oplog no longer reaches back to the last position", action: "refetch" },
  { id: "abcdefgh-2", scope: "log", from: "abcdefgh-2", to: "abcdefgh-900", reason: "this server keeps changes for 24 hours", action: "continue" },
];

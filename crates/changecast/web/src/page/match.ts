// One `$match` of all that was chosen: operation, text and the box are evaluated together, by the server.

import { textConditions } from "./text.ts";
import type { View } from "./view.ts";

/** Empty if nothing was chosen. */
export function wholeMatch(view: Pick<View, "operations" | "text" | "match">): string {
  const conditions = [operationCondition(view.operations), ...textConditions(view.text)]
    .filter((condition) => condition !== undefined)
    .map((condition) => JSON.stringify(condition));
  // As it was typed: to parse it here would round what a number of JavaScript does not hold.
  if (view.match) conditions.push(view.match);
  if (conditions.length <= 1) return conditions[0] ?? "";
  return `{"$and":[${conditions.join(",")}]}`;
}

const NAMED = ["insert", "update", "replace", "delete"];

function operationCondition(operations: string[]): object | undefined {
  if (operations.length === 0 || operations.length > NAMED.length) return undefined;
  if (operations.includes("other")) {
    return { operationType: { $nin: NAMED.filter((operation) => !operations.includes(operation)) } };
  }
  return operations.length === 1 ? { operationType: operations[0] } : { operationType: { $in: operations } };
}

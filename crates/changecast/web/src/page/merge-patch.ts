// The JSON Merge Patch (RFC 7396) that leads from one document to another.

type Json = Record<string, unknown>;

/** The patch as text, or what is wrong with `after`. */
export function difference(before: string, after: string): string | { problem: string } {
  let edited: unknown;
  try {
    edited = JSON.parse(after);
  } catch (error) {
    return { problem: `This is not JSON: ${error instanceof Error ? error.message : error}` };
  }
  if (!isObject(edited)) return { problem: "A document is a JSON object." };
  return JSON.stringify(patchOf(JSON.parse(before) as Json, edited));
}

/** By own fields only, and made of entries: a document may well have a field `constructor`, or `__proto__`. */
function patchOf(before: Json, after: Json): Json {
  const old = new Map(Object.entries(before));
  const removed = [...old.keys()].filter((name) => !Object.hasOwn(after, name)).map((name): [string, unknown] => [name, null]);
  const written = Object.entries(after).flatMap(([name, value]): [string, unknown][] => {
    const was = old.get(name);
    if (isObject(was) && isObject(value)) {
      const inner = patchOf(was, value);
      return Object.keys(inner).length > 0 ? [[name, inner]] : [];
    }
    return JSON.stringify(was) === JSON.stringify(value) ? [] : [[name, value]];
  });
  return Object.fromEntries([...removed, ...written]);
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

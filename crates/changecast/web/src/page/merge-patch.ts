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

function patchOf(before: Json, after: Json): Json {
  const patch: Json = {};
  for (const name of Object.keys(before)) if (!(name in after)) patch[name] = null;
  for (const [name, value] of Object.entries(after)) {
    const old = before[name];
    if (isObject(old) && isObject(value)) {
      const inner = patchOf(old, value);
      if (Object.keys(inner).length > 0) patch[name] = inner;
    } else if (JSON.stringify(old) !== JSON.stringify(value)) {
      patch[name] = value;
    }
  }
  return patch;
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

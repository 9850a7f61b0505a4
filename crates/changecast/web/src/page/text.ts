// What is typed into the text box, as conditions of a `$match`.
//
//     ada                 the key, or the collection's name, has it somewhere; capitals make no difference
//     status:paid         the document's field has it somewhere, or is that number, true, false or null
//     "green tea"         blanks and colons belong to the word
//     address.city:"New York"

const TERM = /(?:(?<field>[\p{L}_$][\p{L}\p{N}_$.-]*):(?!\/))?(?:"(?<quoted>[^"]*)"|(?<plain>\S+))/gu;

const KEYS = ["documentKey._id", "documentKey.id"];
const NAMES = ["ns.coll"];

/** One for each term; all of them have to hold. */
export function textConditions(text: string): object[] {
  return [...text.matchAll(TERM)].flatMap(({ groups }) => {
    const word = groups?.["quoted"] ?? groups?.["plain"] ?? "";
    if (!word) return [];
    const field = groups?.["field"];
    return [field ? fieldCondition(`fullDocument.${field}`, word, groups?.["quoted"] === undefined) : keyCondition(word)];
  });
}

function keyCondition(word: string): object {
  const values = literals(word);
  return {
    $or: [
      ...[...KEYS, ...NAMES].map((path) => ({ [path]: has(word) })),
      ...values.flatMap((value) => KEYS.map((path) => ({ [path]: value }))),
      ...(/^[\da-f]{24}$/i.test(word) ? [{ "documentKey._id": { $oid: word } }] : []),
    ],
  };
}

function fieldCondition(path: string, word: string, isPlain: boolean): object {
  const values = isPlain ? literals(word) : [];
  const named = isPlain && NAMED_VALUES.has(word) ? [NAMED_VALUES.get(word)] : [];
  const equal = [...values, ...named].map((value) => ({ [path]: value }));
  return equal.length === 0 ? { [path]: has(word) } : { $or: [{ [path]: has(word) }, ...equal] };
}

const NAMED_VALUES = new Map<string, boolean | null>([["true", true], ["false", false], ["null", null]]);

/** The number that the word is, where a double holds it. */
function literals(word: string): number[] {
  const number = Number(word);
  return /^-?\d+(\.\d+)?$/.test(word) && Math.abs(number) <= Number.MAX_SAFE_INTEGER ? [number] : [];
}

function has(word: string): object {
  return { $regex: word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), $options: "i" };
}

// What stands in place of the list while it is empty: why that is, in the reader's case.

import type { State } from "../client/api/changecast.d.ts";
import { byId, say } from "./dom.ts";
import { wholeMatch } from "./match.ts";
import type { View } from "./view.ts";

export function welcome(view: View, state: State): void {
  const { title, text } = wordsFor(view, state);
  say(byId("welcome-title"), title);
  say(byId("welcome-text"), text);
}

function wordsFor(view: View, state: State): { title: string; text: string } {
  if (state.name === "closed") {
    return { title: "The server does not take this", text: state.error ?? "The connection has ended." };
  }
  if (view.topics.length > 0 || wholeMatch(view) !== "") {
    return {
      title: "Nothing here matches so far",
      text: "What is chosen holds for the past, too. As soon as a change matches, it appears here.",
    };
  }
  return {
    title: "Waiting for the first change",
    text: "As soon as a watched database changes, the change appears here. No reload needed.",
  };
}

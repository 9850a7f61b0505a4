// Lost history: told until somebody has read it. In the list, the gap stands where it happened.

import type { Gap } from "../client/api/changecast.d.ts";
import { byId, say } from "./dom.ts";

export class Lost {
  #count = 0;

  constructor() {
    byId("lost-dismiss").addEventListener("click", () => this.dismiss());
  }

  note(gap: Gap): void {
    this.#count += 1;
    const whose = gap.scope === "source" ? `of source ${gap.source}` : "of the server's log";
    const more = this.#count > 1 ? ` (${this.#count} gaps so far)` : "";
    say(byId("lost-title"), `History lost: some changes ${whose} are missing.${more}`);
    say(byId("lost-reason"), gap.reason);
    byId("lost").hidden = false;
  }

  dismiss(): void {
    this.#count = 0;
    byId("lost").hidden = true;
  }
}

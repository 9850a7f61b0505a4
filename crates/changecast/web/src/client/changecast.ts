// changecast.js: what other people's pages and programs load. api/changecast.d.ts says what it promises.

import type { Change, FollowOptions } from "./api/changecast.d.ts";
import { Follower } from "./follower.ts";

export { Follower };
export { followDocuments } from "./documents.ts";

export function follow<C = Change>(server: string | URL, options?: FollowOptions): Follower<C> {
  return new Follower<C>(server, options);
}

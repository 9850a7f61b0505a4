// What changecast.js is must be what its declarations promise: this does not compile otherwise.

import type * as promised from "./api/changecast.d.ts";
import type * as built from "./changecast.ts";

type Promises = typeof promised;
type Built = typeof built;

/** Everything that is promised is there, of that type … */
export type IsThere = Check<Built, Promises>;
/** … and nothing is there that nobody was told of. */
export type IsTold = Check<keyof Built, keyof Promises>;
export type IsToldOfFollower = Check<keyof Built["Follower"]["prototype"], keyof Promises["Follower"]["prototype"]>;

type Check<Actual extends Expected, Expected> = Actual;

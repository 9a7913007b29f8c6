import { isRoot } from "../is-root.ts";

/** Words before a command that make file modes bind it as they bind an ordinary user, even if root runs the tests. */
export const BOUND_BY_MODES = isRoot() ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] : ["env"];

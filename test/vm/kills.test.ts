import { killsLoseNothing } from "./testing/kill-suite.ts";

// A thousand are nightly.
killsLoseNothing(25);

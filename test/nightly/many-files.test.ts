import { describeFullRoots } from "../attack/testing/full-roots.ts";

// One promise for each file would exceed the agent's heap.
describeFullRoots(150_000);

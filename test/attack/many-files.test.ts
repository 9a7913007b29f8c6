import { describeFullRoots } from "./testing/full-roots.ts";

describeFullRoots(5000);

import { hostsSuite } from "../vm/testing/hosts-suite.ts";

const both = [true, false];
hostsSuite({
  sharePid: { "go-shim": both, "runtime-rs": both },
  outputs: { echoes: 100, bursts: 30, containers: 10 },
});

import { hostsSuite } from "./testing/hosts-suite.ts";

// test/namespaces runs many outputs, and both hosts with both kinds of pods; test/nightly does so in a guest.
hostsSuite({
  sharePid: { "go-shim": [true] },
  outputs: { echoes: 3, bursts: 1, containers: 1 },
});

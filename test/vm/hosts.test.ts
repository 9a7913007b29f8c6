import { hostsSuite } from "./testing/hosts-suite.ts";

// test/namespaces runs many outputs, and each host with both kinds of pods; test/nightly does so in a guest.
hostsSuite({
  sharePid: { "go-shim": [true], "runtime-rs": [false] },
  outputs: { echoes: 3, bursts: 1, containers: 1 },
});

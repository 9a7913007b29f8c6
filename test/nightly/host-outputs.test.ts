import { hostOutputsSuite } from "../namespaces/testing/host-outputs-suite.ts";

hostOutputsSuite({ echoes: 1000, bursts: 200, containers: 20 });

import { hostOutputsSuite } from "./testing/host-outputs-suite.ts";

/** `npm run test:nightly` runs 1,000, 200 and 20. */
hostOutputsSuite({ echoes: 250, bursts: 50, containers: 8 });

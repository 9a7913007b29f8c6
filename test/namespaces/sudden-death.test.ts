import { suddenDeathSuite } from "./testing/sudden-death-suite.ts";

/** `npm run test:nightly` kills 1,000 times. */
suddenDeathSuite(20);

import { suddenDeathSuite } from "./sudden-death-suite.ts";

/** `npm run test:nightly` kills 200 times. */
suddenDeathSuite(40);

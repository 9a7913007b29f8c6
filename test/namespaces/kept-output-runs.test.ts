import { keptOutputSuite } from "./testing/kept-output-suite.ts";

/** `npm run test:nightly` makes 300. */
keptOutputSuite(4);

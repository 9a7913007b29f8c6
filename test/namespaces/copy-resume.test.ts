import { copySuite } from "./testing/copy-suite.ts";

/** `npm run test:nightly` makes 1,000 disconnections and 60 kills. */
copySuite(12, 2);

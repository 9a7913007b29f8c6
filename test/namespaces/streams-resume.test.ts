import { streamsSuite } from "./testing/streams-suite.ts";

/** `npm run test:nightly` makes 2,000. */
streamsSuite(100, 4);

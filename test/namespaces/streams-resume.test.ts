import { streamsSuite } from "./testing/streams-suite.ts";

/** `npm run test:nightly` makes 2,000, and 200 over gRPC. */
streamsSuite(100, 4);
streamsSuite(20, 1, "gRPC");

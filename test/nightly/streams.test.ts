import { streamsSuite } from "../namespaces/testing/streams-suite.ts";

streamsSuite(2000, 100);

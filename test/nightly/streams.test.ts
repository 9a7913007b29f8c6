import { streamsSuite } from "../namespaces/streams-suite.ts";

streamsSuite(2000, 100);

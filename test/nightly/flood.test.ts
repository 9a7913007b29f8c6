import { floodSuite } from "../attack/flood/flood-suite.ts";

floodSuite(10_000);

import { floodSuite } from "../attack/flood/flood-suite.ts";

floodSuite(20_000);

import { hostileLayers } from "../../../image/testing/hostile-layers.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { unpackImage } from "./unpack-image.ts";

const sys = openSys();

hostileLayers((layers, root) => unpackImage(sys, { layers }, root, new AbortController().signal));

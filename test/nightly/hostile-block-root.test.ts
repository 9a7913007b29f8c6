import { extractedBlockRoot } from "../../host/block-root/testing/extract-block-root.ts";
import { hostileLayers } from "../../image/testing/hostile-layers.ts";

hostileLayers((layers, root) => extractedBlockRoot({ layers }, root));

import { validationSuite } from "../oci-runtime/validation-suite.ts";

validationSuite(1, 2000);

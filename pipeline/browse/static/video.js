// A video: decisions on the whole of it.

import { marking } from "./marks.js";

marking();

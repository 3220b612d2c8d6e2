// Writes sample.json: a group of five, always the same. Run `node sample.mjs` after a change of statement.mjs.

import { writeFileSync } from "node:fs"
import { commitment, merklePath } from "./statement.mjs"

const secrets = [11n, 22n, 33n, 44n, 55n]
const members = secrets.map(commitment)
const { root } = merklePath(members, 2)
const sample = { root: `${root}`, scope: "1", secret: `${secrets[2]}`, members: members.map(String) }
writeFileSync(new URL("sample.json", import.meta.url), `${JSON.stringify(sample, null, 4)}\n`)

#!/usr/bin/env node
import { run } from './run.js'
import { Interrupted } from './shell.js'

const control = new AbortController()
// Once: whoever is in a hurry asks again, and the map stands that.
process.once('SIGINT', () => control.abort(new Interrupted('SIGINT', 2)))
process.once('SIGTERM', () => control.abort(new Interrupted('SIGTERM', 15)))
void run(process.argv.slice(2), process, control).then((status) => (process.exitCode = status))

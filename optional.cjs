// What is loaded only when a program uses what needs it: a package that may be missing, and a module of Node's that takes
// milliseconds to load. Nothing else requires them.
exports.msgpackr = () => require('msgpackr')
exports.v8 = () => require('node:v8')

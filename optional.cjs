// Packages that are loaded only when a program uses what needs them. Nothing else requires them, and both emits come here.
exports.msgpackr = () => require('msgpackr')

// The one addon, for the emit beside this file: both emits import '../native.cjs', and this one lies a folder deeper.
module.exports = require('../native.cjs')

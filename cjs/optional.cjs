// As native.cjs here: the emit beside this file lies a folder deeper than the other.
module.exports = require('../optional.cjs')

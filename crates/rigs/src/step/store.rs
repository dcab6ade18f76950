//! Which memory an instruction stores to.

use iced_x86::{Decoder, DecoderOptions, InstructionInfoFactory, OpAccess, Register};
use nix::libc::user_regs_struct;

/// The longest instruction, in bytes.
pub const LONGEST: usize = 15;

/// The addresses, each with a count of bytes, that the instruction at `registers.rip` is about to store to.
pub fn targets(code: &[u8], registers: &user_regs_struct) -> Vec<(u64, u64)> {
    let instruction = Decoder::with_ip(64, code, registers.rip, DecoderOptions::NONE).decode();
    let mut factory = InstructionInfoFactory::new();
    let memories = factory.info(&instruction).used_memory().iter();
    let stores = memories.filter(|memory| {
        matches!(memory.access(), OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
    });
    stores
        .filter_map(|memory| {
            let address = memory.virtual_address(0, |register, _, _| value(registers, register))?;
            // A repeated string instruction traps after each round, so its size is one element's; unknown sizes (state
            // saving instructions) are taken for a page: reading back too much is harmless.
            let size = match memory.memory_size().size() {
                0 => 4096,
                size => size as u64,
            };
            Some((address, size))
        })
        .collect()
}

fn value(registers: &user_regs_struct, register: Register) -> Option<u64> {
    let full = match register {
        // In 64-bit code only these two segments have a base of their own.
        Register::FS => return Some(registers.fs_base),
        Register::GS => return Some(registers.gs_base),
        Register::CS | Register::DS | Register::ES | Register::SS => return Some(0),
        other => other.full_register(),
    };
    let value = match full {
        Register::RAX => registers.rax,
        Register::RBX => registers.rbx,
        Register::RCX => registers.rcx,
        Register::RDX => registers.rdx,
        Register::RSI => registers.rsi,
        Register::RDI => registers.rdi,
        Register::RBP => registers.rbp,
        Register::RSP => registers.rsp,
        Register::R8 => registers.r8,
        Register::R9 => registers.r9,
        Register::R10 => registers.r10,
        Register::R11 => registers.r11,
        Register::R12 => registers.r12,
        Register::R13 => registers.r13,
        Register::R14 => registers.r14,
        Register::R15 => registers.r15,
        _ => return None,
    };
    Some(if register.size() == 4 { value & 0xffff_ffff } else { value })
}

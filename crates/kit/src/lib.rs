//! The test kit: real servers, fakes and builders that every test binary uses.

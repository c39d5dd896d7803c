"""The physical layer that both links share: OFDM, modulation, CSI, pilots, impairments."""

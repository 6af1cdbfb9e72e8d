"""A machine made of files: what its kernel would show in /sys and /proc."""

from __future__ import annotations

MDSTAT = """Personalities : [raid0] [raid1] [raid6] [raid5] [raid4] [linear] [raid10]
md0 : active raid1 sdb1[1] sda1[0]
      248896 blocks [2/2] [UU]

md1 : active raid5 sdd1[3](F) sdc1[2](S) sdb2[1] sda2[0]
      7813735424 blocks super 1.2 level 5, 64k chunk, algorithm 2 [3/2] [UU_]
      bitmap: 0/2 pages [0KB], 65536KB chunk

md2 : active raid6 sdh1[5] sdg1[4] sdf1[3] sde1[2]
      195310144 blocks level 6, 64k chunk, algorithm 2 [4/3] [UUU_]
      [=>...................]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec

md3 : active raid1 sdj1[1] sdi1[0]
      312319552 blocks [2/2] [UU]
      bitmap: 0/2 pages [0KB], 65536KB chunk
      \tresync=PENDING

md4 : inactive raid1 sdk1[0](S)
      7932 blocks

md5 : active raid0 sdm1[1] sdl1[0]
      314159265 blocks 64k chunks

md6 : active raid1 sdo1[1] sdn1[0]
      195310144 blocks [2/2] [UU]
      [=====>...............]  check = 28.5% (55665664/195310144) finish=11.2min speed=206656K/sec

unused devices: <none>
"""

_NVME = {
    "class/nvme/nvme0/firmware_rev": "1B2QEXP7\n",
    "class/nvme/nvme0/model": "Solid 970      \n",
    "class/nvme/nvme0/serial": "S680HF8N190894I\n",
    "class/nvme/nvme0/state": "live\n",
    "class/nvme/nvme0/cntlid": "1997\n",
    "class/nvme/nvme0/nvme0n1/nuse": "488281250\n",
    "class/nvme/nvme0/nvme0n1/size": "3906250000\n",
    "class/nvme/nvme0/nvme0n1/queue/logical_block_size": "4096\n",
}

_EDAC = {
    "devices/system/edac/mc/mc0/ce_count": "1\n",
    "devices/system/edac/mc/mc0/ce_noinfo_count": "2\n",
    "devices/system/edac/mc/mc0/ue_count": "5\n",
    "devices/system/edac/mc/mc0/ue_noinfo_count": "6\n",
    "devices/system/edac/mc/mc0/csrow0/ce_count": "3\n",
    "devices/system/edac/mc/mc0/csrow0/ue_count": "4\n",
    "devices/system/edac/mc/mc0/csrow0/ch0_ce_count": "3\n",
    "devices/system/edac/mc/mc0/csrow0/ch0_ue_count": "4\n",
    "devices/system/edac/mc/mc0/csrow0/ch0_dimm_label": "mc#0csrow#0channel#0\n",
    "devices/system/edac/mc/power/control": "auto\n",
}

_THERMAL = {
    "class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
    "class/thermal/thermal_zone0/policy": "step_wise\n",
    "class/thermal/thermal_zone0/temp": "49925\n",
    "class/thermal/thermal_zone12/type": "acpitz\n",
    "class/thermal/thermal_zone12/policy": "step_wise\n",
    "class/thermal/thermal_zone12/temp": "-44000\n",
    "class/thermal/cooling_device0/type": "Processor\n",
    "class/thermal/cooling_device0/max_state": "50\n",
    "class/thermal/cooling_device0/cur_state": "0\n",
    "class/thermal/cooling_device1/type": "intel_powerclamp\n",
    "class/thermal/cooling_device1/max_state": "27\n",
    "class/thermal/cooling_device1/cur_state": "-1\n",
}

_BONDING = {
    "class/net/bonding_masters": "bond0 empty\n",
    "class/net/bond0/bonding/slaves": "eth0 eth1\n",
    "class/net/bond0/lower_eth0/bonding_slave/mii_status": "up\n",
    "class/net/bond0/slave_eth1/bonding_slave/mii_status": "down\n",
    "class/net/empty/bonding/slaves": "\n",
}

_POWER = {
    "class/power_supply/AC/type": "Mains\n",
    "class/power_supply/AC/online": "1\n",
    "class/power_supply/BAT0/type": "Battery\n",
    "class/power_supply/BAT0/status": "Discharging\n",
    "class/power_supply/BAT0/present": "1\n",
    "class/power_supply/BAT0/capacity": "81\n",
    "class/power_supply/BAT0/capacity_level": "Normal\n",
    "class/power_supply/BAT0/cycle_count": "17\n",
    "class/power_supply/BAT0/energy_full": "50060000\n",
    "class/power_supply/BAT0/energy_full_design": "47520000\n",
    "class/power_supply/BAT0/energy_now": "49450000\n",
    "class/power_supply/BAT0/manufacturer": "LGC\n",
    "class/power_supply/BAT0/model_name": "LNV-45N1\n",
    "class/power_supply/BAT0/power_now": "4830000\n",
    "class/power_supply/BAT0/serial_number": "38109\n",
    "class/power_supply/BAT0/technology": "Li-ion\n",
    "class/power_supply/BAT0/temp": "285\n",
    "class/power_supply/BAT0/voltage_min_design": "10800000\n",
    "class/power_supply/BAT0/voltage_now": "12229000\n",
}

_CORETEMP = "devices/platform/coretemp.0/hwmon/hwmon0"
_HWMON = {
    "class/hwmon/hwmon0": f"->../../{_CORETEMP}",
    f"{_CORETEMP}/device": "->../../../coretemp.0",
    f"{_CORETEMP}/name": "coretemp\n",
    f"{_CORETEMP}/temp1_input": "55000\n",
    f"{_CORETEMP}/temp1_label": "Physical id 0\n",
    f"{_CORETEMP}/temp1_max": "84000\n",
    f"{_CORETEMP}/temp1_crit": "100000\n",
    f"{_CORETEMP}/temp1_crit_alarm": "0\n",
    f"{_CORETEMP}/temp2_input": "-5500\n",
    f"{_CORETEMP}/temp2_fault": "1\n",
    f"{_CORETEMP}/uevent": "",
    "class/hwmon/hwmon1/name": "Nct6779 Board\n",
    "class/hwmon/hwmon1/in0_input": "792\n",
    "class/hwmon/hwmon1/in0_min": "0\n",
    "class/hwmon/hwmon1/in0_max": "1744\n",
    "class/hwmon/hwmon1/in0_alarm": "0\n",
    "class/hwmon/hwmon1/in0_beep": "1\n",
    "class/hwmon/hwmon1/cpu0_vid": "1050\n",
    "class/hwmon/hwmon1/vrm": "120\n",
    "class/hwmon/hwmon1/beep_enable": "1\n",
    "class/hwmon/hwmon1/update_interval": "1500\n",
    "class/hwmon/hwmon1/fan2_input": "1098\n",
    "class/hwmon/hwmon1/fan2_target": "1200\n",
    "class/hwmon/hwmon1/fan2_min": "0\n",
    "class/hwmon/hwmon1/fan2_pulses": "2\n",
    "class/hwmon/hwmon1/fan2_alarm": "1\n",
    "class/hwmon/hwmon1/pwm1": "98\n",
    "class/hwmon/hwmon1/pwm1_enable": "5\n",
    "class/hwmon/hwmon1/temp1_type": "4\n",
    "class/hwmon/hwmon1/temp1_input": "broken\n",
    "class/hwmon/hwmon1/curr1_input": "2500\n",
    "class/hwmon/hwmon1/power1_average": "22500000\n",
    "class/hwmon/hwmon1/power1_average_interval": "300\n",
    "class/hwmon/hwmon1/power1_accuracy": "90000\n",
    "class/hwmon/hwmon1/energy1_input": "45000000\n",
    "class/hwmon/hwmon1/humidity1_input": "45000\n",
    "class/hwmon/hwmon1/intrusion0_alarm": "1\n",
    "class/hwmon/hwmon1/intrusion0_beep": "0\n",
    "class/hwmon/hwmon2/temp1_input": "41000\n",
}

SYS = {**_NVME, **_EDAC, **_THERMAL, **_BONDING, **_POWER, **_HWMON, "block": "/"}
